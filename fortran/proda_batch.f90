!> Many parameter vectors at many columns: blocks of lanes, distributed over OpenMP threads.
!>
!> In every procedure `column` is the 1-based column of each row. The last block is padded with copies of the last
!> row. While a row is loaded into its lane, the records of the next row's column are prefetched.
module proda_batch
   use kinds, only: dp, lanes
   use soil_grid, only: n_layers, n_months, n_pools
   use proda_parameters, only: n_parameters
   use proda_forcing, only: n_climate, n_input
   use proda_transport, only: n_exchange
   use memory, only: prefetch
   use proda_coefficients, only: assemble_lane, assemble_lane_slopes, complete_block
   use column_block, only: block_coefficients, block_slopes, block_factors, block_solution
   use conditioning, only: reciprocal_condition
   use steady_state, only: solve_steady_state, pools_of, soil_carbon_of
   use steady_state_adjoint, only: block_gradient, solve_adjoint, parameter_gradient
   implicit none (type, external)
   private

   public :: batch_coefficients, batch_condition, batch_pools, batch_soil_carbon, batch_gradient

contains

   !> Coefficients of each row: scalars of decomposition (1), exchange (yr-1) and input profile (m-1).
   subroutine batch_coefficients(n_columns, climate, exchange, input, n_rows, parameters, column, scalar, &
                                 litter_scalar, lower, upper, profile)
      integer, intent(in) :: n_columns, n_rows
      real(dp), intent(in) :: climate(n_layers, n_months, n_climate, n_columns)
      real(dp), intent(in) :: exchange(n_layers, n_exchange, n_columns), input(n_input, n_columns)
      real(dp), intent(in) :: parameters(n_parameters, n_rows)
      integer, intent(in) :: column(n_rows)
      real(dp), intent(out), dimension(n_layers, n_rows) :: scalar, litter_scalar, lower, upper, profile

      type(block_coefficients) :: c
      integer :: first, row, lane

      do first = 1, n_rows, lanes
         call assemble_block(first, n_columns, climate, exchange, input, n_rows, parameters, column, c)
         call complete_block(c)
         do row = first, min(first + lanes - 1, n_rows)
            lane = row - first + 1
            scalar(:, row) = c%scalar(lane, :)
            litter_scalar(:, row) = c%litter_scalar(lane, :)
            lower(:, row) = c%lower(lane, :)
            upper(:, row) = c%upper(lane, :)
            profile(:, row) = c%profile(lane, :)
         end do
      end do
   end subroutine batch_coefficients

   !> Estimate of each row's reciprocal condition number, by which the published code would call it singular.
   subroutine batch_condition(n_columns, climate, exchange, input, n_rows, parameters, column, condition)
      integer, intent(in) :: n_columns, n_rows
      real(dp), intent(in) :: climate(n_layers, n_months, n_climate, n_columns)
      real(dp), intent(in) :: exchange(n_layers, n_exchange, n_columns), input(n_input, n_columns)
      real(dp), intent(in) :: parameters(n_parameters, n_rows)
      integer, intent(in) :: column(n_rows)
      real(dp), intent(out) :: condition(n_rows)

      type(block_coefficients) :: c
      real(dp) :: of_block(lanes)
      integer :: first, last

      do first = 1, n_rows, lanes
         call assemble_block(first, n_columns, climate, exchange, input, n_rows, parameters, column, c)
         call complete_block(c)
         of_block = reciprocal_condition(c)
         last = min(first + lanes - 1, n_rows)
         condition(first:last) = of_block(:last - first + 1)
      end do
   end subroutine batch_condition

   !> Pools of each row, and its soil carbon (gC m-3).
   subroutine batch_pools(n_columns, climate, exchange, input, n_rows, parameters, column, threads, pools, soc)
      integer, intent(in) :: n_columns, n_rows, threads
      real(dp), intent(in) :: climate(n_layers, n_months, n_climate, n_columns)
      real(dp), intent(in) :: exchange(n_layers, n_exchange, n_columns), input(n_input, n_columns)
      real(dp), intent(in) :: parameters(n_parameters, n_rows)
      integer, intent(in) :: column(n_rows)
      real(dp), intent(out) :: pools(n_layers, n_pools, n_rows), soc(n_layers, n_rows)

      type(block_coefficients) :: c
      type(block_factors) :: factors
      type(block_solution) :: y
      real(dp) :: pools_of_block(lanes, n_layers, n_pools), soc_of_block(lanes, n_layers)
      integer :: first, row

      !$omp parallel do num_threads(threads) schedule(static) &
      !$omp private(c, factors, y, pools_of_block, soc_of_block, row)
      do first = 1, n_rows, lanes
         call assemble_block(first, n_columns, climate, exchange, input, n_rows, parameters, column, c)
         call complete_block(c)
         call solve_steady_state(c, factors, y)
         call pools_of(c, y, pools_of_block)
         call soil_carbon_of(c, y, soc_of_block)
         do row = first, min(first + lanes - 1, n_rows)
            pools(:, :, row) = pools_of_block(row - first + 1, :, :)
            soc(:, row) = soc_of_block(row - first + 1, :)
         end do
      end do
   end subroutine batch_pools

   !> Soil carbon (gC m-3) of each row.
   subroutine batch_soil_carbon(n_columns, climate, exchange, input, n_rows, parameters, column, threads, soc)
      integer, intent(in) :: n_columns, n_rows, threads
      real(dp), intent(in) :: climate(n_layers, n_months, n_climate, n_columns)
      real(dp), intent(in) :: exchange(n_layers, n_exchange, n_columns), input(n_input, n_columns)
      real(dp), intent(in) :: parameters(n_parameters, n_rows)
      integer, intent(in) :: column(n_rows)
      real(dp), intent(out) :: soc(n_layers, n_rows)

      type(block_coefficients) :: c
      type(block_factors) :: factors
      type(block_solution) :: y
      real(dp) :: of_block(lanes, n_layers)
      integer :: first, row

      !$omp parallel do num_threads(threads) private(c, factors, y, of_block, row) schedule(static)
      do first = 1, n_rows, lanes
         call assemble_block(first, n_columns, climate, exchange, input, n_rows, parameters, column, c)
         call complete_block(c)
         call solve_steady_state(c, factors, y)
         call soil_carbon_of(c, y, of_block)
         do row = first, min(first + lanes - 1, n_rows)
            soc(:, row) = of_block(row - first + 1, :)
         end do
      end do
   end subroutine batch_soil_carbon

   !> Soil carbon of each row, and the gradient with respect to its parameters and to the annual input of CWD, L1, L2
   !> and L3 (gC m-2 yr-1) of the scalar function whose derivative by soil carbon is `soc_bar`.
   subroutine batch_gradient(n_columns, climate, exchange, input, n_rows, parameters, column, soc_bar, threads, soc, &
                             parameters_bar, input_bar)
      integer, intent(in) :: n_columns, n_rows, threads
      real(dp), intent(in) :: climate(n_layers, n_months, n_climate, n_columns)
      real(dp), intent(in) :: exchange(n_layers, n_exchange, n_columns), input(n_input, n_columns)
      real(dp), intent(in) :: parameters(n_parameters, n_rows)
      integer, intent(in) :: column(n_rows)
      real(dp), intent(in) :: soc_bar(n_layers, n_rows)
      real(dp), intent(out) :: soc(n_layers, n_rows)
      real(dp), intent(out) :: parameters_bar(n_parameters, n_rows), input_bar(4, n_rows)

      type(block_coefficients) :: c
      type(block_slopes) :: slopes
      type(block_factors) :: factors
      type(block_solution) :: y
      type(block_gradient) :: gradient
      real(dp) :: of_block(lanes, n_layers), bar_of_block(lanes, n_layers), parameter_bar(lanes, n_parameters)
      integer :: first, row, lane, next

      !$omp parallel do num_threads(threads) schedule(static) &
      !$omp private(c, slopes, factors, y, gradient, of_block, bar_of_block, parameter_bar, row, lane, next)
      do first = 1, n_rows, lanes
         do lane = 1, lanes
            row = min(first + lane - 1, n_rows)
            next = column(min(row + 1, n_rows))
            call prefetch(n_layers*n_exchange, exchange(:, :, next))
            call assemble_lane_slopes(lane, parameters(:, row), climate(:, :, :, column(row)), &
                                      exchange(:, :, column(row)), input(:, column(row)), c, slopes, &
                                      climate(:, :, :, next))
            bar_of_block(lane, :) = soc_bar(:, row)
         end do
         call complete_block(c)
         call solve_steady_state(c, factors, y)
         call soil_carbon_of(c, y, of_block)
         call solve_adjoint(c, factors, y, bar_of_block, gradient)
         call parameter_gradient(c, slopes, gradient, parameter_bar)
         do row = first, min(first + lanes - 1, n_rows)
            lane = row - first + 1
            soc(:, row) = of_block(lane, :)
            parameters_bar(:, row) = parameter_bar(lane, :)
            input_bar(:, row) = gradient%input(lane, :)
         end do
      end do
   end subroutine batch_gradient

   pure subroutine assemble_block(first, n_columns, climate, exchange, input, n_rows, parameters, column, c)
      integer, intent(in) :: first, n_columns, n_rows
      real(dp), intent(in) :: climate(n_layers, n_months, n_climate, n_columns)
      real(dp), intent(in) :: exchange(n_layers, n_exchange, n_columns), input(n_input, n_columns)
      real(dp), intent(in) :: parameters(n_parameters, n_rows)
      integer, intent(in) :: column(n_rows)
      type(block_coefficients), intent(inout) :: c

      integer :: lane, row, next

      do lane = 1, lanes
         row = min(first + lane - 1, n_rows)
         next = column(min(row + 1, n_rows))
         call prefetch(n_layers*n_exchange, exchange(:, :, next))
         call assemble_lane(lane, parameters(:, row), climate(:, :, :, column(row)), exchange(:, :, column(row)), &
                            input(:, column(row)), c, climate(:, :, :, next))
      end do
   end subroutine assemble_block

end module proda_batch
