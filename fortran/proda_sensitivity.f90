!> Derivatives of the steady state with respect to all inputs of the `proda` scheme: parameters, climate, carbon input.
!>
!> Arguments are those of proda_batch. Climate is differentiated as it is given (proda_climate_slopes): temperature
!> (K), water, oxygen and nitrogen scalar of each layer and month. Input is that of a year, gC m-2 yr-1.
module proda_sensitivity
   use kinds, only: dp, lanes
   use soil_grid, only: n_layers, n_months
   use proda_parameters, only: n_parameters, i_q10, i_w_scaling
   use proda_forcing, only: n_climate, n_input
   use proda_transport, only: n_exchange
   use proda_coefficients, only: assemble_lane_slopes, complete_block
   use proda_climate_slopes, only: month_mean_gradient, month_mean_change
   use column_block, only: block_coefficients, block_slopes, block_factors, block_solution
   use steady_state, only: solve_steady_state
   use steady_state_adjoint, only: block_gradient, solve_adjoint, parameter_gradient
   use steady_state_tangent, only: block_change, complete_change, soil_carbon_change
   implicit none (type, external)
   private

   public :: batch_full_gradient, batch_change

contains

   !> Gradient of the scalar function whose derivative by soil carbon is `soc_bar`.
   subroutine batch_full_gradient(n_columns, climate, exchange, input, n_rows, parameters, column, soc_bar, threads, &
                                  parameters_bar, climate_bar, input_bar)
      integer, intent(in) :: n_columns, n_rows, threads
      real(dp), intent(in) :: climate(n_layers, n_months, n_climate, n_columns)
      real(dp), intent(in) :: exchange(n_layers, n_exchange, n_columns), input(n_input, n_columns)
      real(dp), intent(in) :: parameters(n_parameters, n_rows)
      integer, intent(in) :: column(n_rows)
      real(dp), intent(in) :: soc_bar(n_layers, n_rows)
      real(dp), intent(out) :: parameters_bar(n_parameters, n_rows)
      real(dp), intent(out) :: climate_bar(n_layers, n_months, n_climate, n_rows), input_bar(4, n_rows)

      type(block_coefficients) :: c
      type(block_slopes) :: slopes
      type(block_factors) :: factors
      type(block_solution) :: y
      type(block_gradient) :: gradient
      real(dp) :: bar_of_block(lanes, n_layers), parameter_bar(lanes, n_parameters)
      integer :: first, row, lane

      !$omp parallel do num_threads(threads) schedule(static) &
      !$omp private(c, slopes, factors, y, gradient, bar_of_block, parameter_bar, row, lane)
      do first = 1, n_rows, lanes
         call assemble_block(first, n_columns, climate, exchange, input, n_rows, parameters, column, c, slopes)
         call solve_steady_state(c, factors, y)
         do lane = 1, lanes
            bar_of_block(lane, :) = soc_bar(:, min(first + lane - 1, n_rows))
         end do
         call solve_adjoint(c, factors, y, bar_of_block, gradient)
         call parameter_gradient(c, slopes, gradient, parameter_bar)
         do row = first, min(first + lanes - 1, n_rows)
            lane = row - first + 1
            parameters_bar(:, row) = parameter_bar(lane, :)
            input_bar(:, row) = gradient%input(lane, :)
            call month_mean_gradient(climate(:, :, :, column(row)), parameters(i_q10, row), &
                                     parameters(i_w_scaling, row), gradient%scalar(lane, :)*c%depth(lane, :), &
                                     gradient%litter_scalar(lane, :)*c%depth(lane, :), climate_bar(:, :, :, row))
         end do
      end do
   end subroutine batch_full_gradient

   !> Change of soil carbon (gC m-3) with changes of parameters, climate and input.
   subroutine batch_change(n_columns, climate, exchange, input, n_rows, parameters, column, parameters_change, &
                           climate_change, input_change, threads, soc_change)
      integer, intent(in) :: n_columns, n_rows, threads
      real(dp), intent(in) :: climate(n_layers, n_months, n_climate, n_columns)
      real(dp), intent(in) :: exchange(n_layers, n_exchange, n_columns), input(n_input, n_columns)
      real(dp), intent(in) :: parameters(n_parameters, n_rows)
      integer, intent(in) :: column(n_rows)
      real(dp), intent(in) :: parameters_change(n_parameters, n_rows)
      real(dp), intent(in) :: climate_change(n_layers, n_months, n_climate, n_rows), input_change(4, n_rows)
      real(dp), intent(out) :: soc_change(n_layers, n_rows)

      type(block_coefficients) :: c
      type(block_slopes) :: slopes
      type(block_factors) :: factors
      type(block_solution) :: y
      type(block_change) :: change
      real(dp) :: of_block(lanes, n_layers), scalar_change(n_layers), litter_change(n_layers)
      integer :: first, row, lane

      !$omp parallel do num_threads(threads) schedule(static) &
      !$omp private(c, slopes, factors, y, change, of_block, scalar_change, litter_change, row, lane)
      do first = 1, n_rows, lanes
         call assemble_block(first, n_columns, climate, exchange, input, n_rows, parameters, column, c, slopes)
         call solve_steady_state(c, factors, y)
         do lane = 1, lanes
            row = min(first + lane - 1, n_rows)
            call month_mean_change(climate(:, :, :, column(row)), parameters(i_q10, row), &
                                   parameters(i_w_scaling, row), climate_change(:, :, :, row), scalar_change, &
                                   litter_change)
            change%parameter(lane, :) = parameters_change(:, row)
            change%input(lane, :) = input_change(:, row)
            change%month_mean(lane, :) = scalar_change
            change%litter_month_mean(lane, :) = litter_change
         end do
         call complete_change(c, slopes, change)
         call soil_carbon_change(c, factors, y, change, of_block)
         do row = first, min(first + lanes - 1, n_rows)
            soc_change(:, row) = of_block(row - first + 1, :)
         end do
      end do
   end subroutine batch_change

   pure subroutine assemble_block(first, n_columns, climate, exchange, input, n_rows, parameters, column, c, slopes)
      integer, intent(in) :: first, n_columns, n_rows
      real(dp), intent(in) :: climate(n_layers, n_months, n_climate, n_columns)
      real(dp), intent(in) :: exchange(n_layers, n_exchange, n_columns), input(n_input, n_columns)
      real(dp), intent(in) :: parameters(n_parameters, n_rows)
      integer, intent(in) :: column(n_rows)
      type(block_coefficients), intent(out) :: c
      type(block_slopes), intent(out) :: slopes

      integer :: lane, row

      do lane = 1, lanes
         row = min(first + lane - 1, n_rows)
         call assemble_lane_slopes(lane, parameters(:, row), climate(:, :, :, column(row)), &
                                   exchange(:, :, column(row)), input(:, column(row)), c, slopes)
      end do
      call complete_block(c)
   end subroutine assemble_block

end module proda_sensitivity
