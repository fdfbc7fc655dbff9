!> Steady states of the CTSM schemes over many columns, one thread per block of columns.
module ctsm_equilibrium
   use kinds, only: dp
   use soil_grid, only: n_layers, n_pools, layer_thickness
   use ctsm_parameters, only: ctsm_scheme, ctsm_switches, ctsm_parameter_set, new_scheme
   use ctsm_forcing, only: soil_column, soil_columns, soil_forcing, column_of
   use ctsm_annual_mean, only: annual_mean, evaluate_annual_mean
   use ctsm_steady_state, only: elimination, eliminate, solve_balance, solve_transposed
   use ctsm_tangent, only: tangent_of_mean, tangent_of_balance
   use ctsm_adjoint, only: adjoint_of_balance, adjoint_of_mean
   implicit none (type, external)
   private

   public :: steady_columns, balance_columns, tangent_columns, adjoint_columns

contains

   !> Pools (gC m-3) at the steady state of the mean year. `status` of a column is the first layer that
   !> receives carbon which nothing removes, else 0.
   subroutine steady_columns(switches, parameters, columns, forcing, weight, threads, pools, status)
      type(ctsm_switches), intent(in) :: switches
      real(dp), contiguous, intent(in) :: parameters(:, :)
      type(soil_columns), intent(in) :: columns
      type(soil_forcing), intent(in) :: forcing
      real(dp), contiguous, intent(in) :: weight(:)
      integer, intent(in) :: threads
      real(dp), contiguous, intent(out) :: pools(:, :, :)
      integer, intent(out) :: status(:)
      type(annual_mean) :: mean
      type(elimination) :: factors
      integer :: c

      !$omp parallel do num_threads(threads) private(mean, factors)
      do c = 1, size(columns%set)
         call evaluate_annual_mean(new_scheme(parameters(:, columns%set(c)), switches), column_of(columns, c), &
                                   forcing, c, weight, mean)
         call eliminate(mean, factors)
         call solve_balance(factors, mean%input, pools(:, :, c), status(c))
         call divide_by_thickness(pools(:, :, c))
      end do
      !$omp end parallel do
   end subroutine steady_columns

   !> Pools (gC m-3) that balance a given source (gC m-3 s-1, of any sign) under the mean coefficients.
   subroutine balance_columns(switches, parameters, columns, forcing, weight, source, threads, pools)
      type(ctsm_switches), intent(in) :: switches
      real(dp), contiguous, intent(in) :: parameters(:, :)
      type(soil_columns), intent(in) :: columns
      type(soil_forcing), intent(in) :: forcing
      real(dp), contiguous, intent(in) :: weight(:), source(:, :, :)
      integer, intent(in) :: threads
      real(dp), contiguous, intent(out) :: pools(:, :, :)
      type(annual_mean) :: mean
      type(elimination) :: factors
      integer :: c, status

      !$omp parallel do num_threads(threads) private(mean, factors, status)
      do c = 1, size(columns%set)
         call evaluate_annual_mean(new_scheme(parameters(:, columns%set(c)), switches), column_of(columns, c), &
                                   forcing, c, weight, mean)
         call eliminate(mean, factors)
         call solve_balance(factors, source(:, :, c)*spread(layer_thickness, 2, n_pools), pools(:, :, c), status)
         call divide_by_thickness(pools(:, :, c))
      end do
      !$omp end parallel do
   end subroutine balance_columns

   !> Change of the steady pools (gC m-3) with parameters, by column, forcing scalars and input. `status` is that of
   !> the steady state, or else of the change.
   subroutine tangent_columns(switches, parameters, columns, forcing, weight, parameters_change, scalars_change, &
                              input_change, threads, pools_change, status)
      type(ctsm_switches), intent(in) :: switches
      real(dp), contiguous, intent(in) :: parameters(:, :)
      type(soil_columns), intent(in) :: columns
      type(soil_forcing), intent(in) :: forcing
      real(dp), contiguous, intent(in) :: weight(:), parameters_change(:, :)
      real(dp), contiguous, intent(in) :: scalars_change(:, :, :, :), input_change(:, :, :, :)
      integer, intent(in) :: threads
      real(dp), contiguous, intent(out) :: pools_change(:, :, :)
      integer, intent(out) :: status(:)
      type(ctsm_scheme) :: scheme
      type(soil_column) :: column
      type(annual_mean) :: mean, change
      type(elimination) :: factors
      type(ctsm_parameter_set) :: direction
      real(dp) :: carbon(n_layers, n_pools), source(n_layers, n_pools)
      integer :: c, status_of_change

      !$omp parallel do num_threads(threads) &
      !$omp& private(scheme, column, mean, change, factors, direction, carbon, source, status_of_change)
      do c = 1, size(columns%set)
         scheme = new_scheme(parameters(:, columns%set(c)), switches)
         column = column_of(columns, c)
         direction = transfer(parameters_change(:, c), direction)
         call evaluate_annual_mean(scheme, column, forcing, c, weight, mean)
         call eliminate(mean, factors)
         call solve_balance(factors, mean%input, carbon, status(c))
         call tangent_of_mean(scheme, column, forcing, c, weight, direction, scalars_change(:, :, :, c), &
                              input_change(:, :, :, c), change)
         call tangent_of_balance(mean, change, carbon, source)
         call solve_balance(factors, source, pools_change(:, :, c), status_of_change)
         if (status(c) == 0) status(c) = status_of_change
         call divide_by_thickness(pools_change(:, :, c))
      end do
      !$omp end parallel do
   end subroutine tangent_columns

   !> Gradient of sum(pools_bar * steady pools) with respect to parameters, by column, forcing scalars and input.
   subroutine adjoint_columns(switches, parameters, columns, forcing, weight, pools_bar, threads, &
                              parameters_bar, scalars_bar, input_bar, status)
      type(ctsm_switches), intent(in) :: switches
      real(dp), contiguous, intent(in) :: parameters(:, :)
      type(soil_columns), intent(in) :: columns
      type(soil_forcing), intent(in) :: forcing
      real(dp), contiguous, intent(in) :: weight(:), pools_bar(:, :, :)
      integer, intent(in) :: threads
      real(dp), contiguous, intent(out) :: parameters_bar(:, :), scalars_bar(:, :, :, :), input_bar(:, :, :, :)
      integer, intent(out) :: status(:)
      type(ctsm_scheme) :: scheme
      type(soil_column) :: column
      type(annual_mean) :: mean, bar
      type(elimination) :: factors
      type(ctsm_parameter_set) :: gradient
      real(dp), dimension(n_layers, n_pools) :: carbon, carbon_bar, value
      integer :: c

      !$omp parallel do num_threads(threads) &
      !$omp& private(scheme, column, mean, bar, factors, gradient, carbon, carbon_bar, value)
      do c = 1, size(columns%set)
         scheme = new_scheme(parameters(:, columns%set(c)), switches)
         column = column_of(columns, c)
         call evaluate_annual_mean(scheme, column, forcing, c, weight, mean)
         call eliminate(mean, factors)
         call solve_balance(factors, mean%input, carbon, status(c))
         carbon_bar = pools_bar(:, :, c)
         call divide_by_thickness(carbon_bar)
         call solve_transposed(factors, carbon_bar, value)
         call adjoint_of_balance(mean, carbon, value, bar)
         call adjoint_of_mean(scheme, column, forcing, c, weight, bar, gradient, scalars_bar(:, :, :, c), &
                              input_bar(:, :, :, c))
         parameters_bar(:, c) = transfer(gradient, parameters_bar(:, c))
      end do
      !$omp end parallel do
   end subroutine adjoint_columns

   pure subroutine divide_by_thickness(pools)
      real(dp), intent(inout) :: pools(n_layers, n_pools)

      pools = pools/spread(layer_thickness, 2, n_pools)
   end subroutine divide_by_thickness

end module ctsm_equilibrium
