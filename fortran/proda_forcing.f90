!> Column data of the `proda` scheme: everything that does not depend on the parameters, computed once.
!>
!> The climate record of a column holds four fields of 20 layers and 12 months (`i_decades` ... `i_nitrogen`),
!> the exchange record six profiles of 20 layers (see proda_transport), the input record five numbers.
module proda_forcing
   use kinds, only: dp
   use soil_grid, only: n_layers, n_months
   use proda_transport, only: n_exchange, unit_exchange
   implicit none (type, external)
   private

   public :: n_climate, n_input
   public :: i_decades, i_water, i_oxygen, i_nitrogen
   public :: i_input_cwd, i_input_l1, i_input_l2, i_input_l3, i_surface_only
   public :: prepare_columns

   integer, parameter :: n_climate = 4
   integer, parameter :: i_decades = 1          !< (T - 298.15 K) / 10 K
   integer, parameter :: i_water = 2            !< water scalar
   integer, parameter :: i_oxygen = 3           !< oxygen scalar / 12
   integer, parameter :: i_nitrogen = 4         !< nitrogen scalar

   integer, parameter :: n_input = 5
   integer, parameter :: i_input_cwd = 1        !< carbon input by pool, gC m-2 yr-1
   integer, parameter :: i_input_l1 = 2
   integer, parameter :: i_input_l2 = 3
   integer, parameter :: i_input_l3 = 4
   integer, parameter :: i_surface_only = 5     !< 1 where all input enters the top layer, else 0

   real(dp), parameter :: reference_temperature = 298.15_dp

contains

   !> Records of each column from its monthly forcing; arguments as in prepare_column.
   pure subroutine prepare_columns(temperature, water, oxygen, nitrogen, thaw, thaw_last_year, bedrock, input, &
                                   climate, exchange, annual_input)
      real(dp), dimension(:, :, :), intent(in) :: temperature, water, oxygen, nitrogen   !< (layer, month, column)
      real(dp), dimension(:, :), intent(in) :: thaw, thaw_last_year                      !< (month, column)
      integer, intent(in) :: bedrock(:, :)
      real(dp), intent(in) :: input(:, :, :)                                             !< (month, pool, column)
      real(dp), intent(out) :: climate(:, :, :, :), exchange(:, :, :), annual_input(:, :)

      integer :: i

      do i = 1, size(bedrock, 2)
         call prepare_column(temperature(:, :, i), water(:, :, i), oxygen(:, :, i), nitrogen(:, :, i), thaw(:, i), &
                             thaw_last_year(:, i), bedrock(:, i), input(:, :, i), climate(:, :, :, i), &
                             exchange(:, :, i), annual_input(:, i))
      end do
   end subroutine prepare_columns

   !> Records of one column from its monthly forcing.
   !>
   !> `thaw` is the active-layer depth of this year, `thaw_last_year` that of the year before (m); `bedrock` the
   !> 1-based deepest layer above bedrock of each month; `input` gC m-2 month-1 to CWD, L1, L2, L3.
   !> All input enters the top layer unless `thaw_last_year` is positive in all 12 months: matrix_fun.m line 210 tests
   !> the vector, not each month.
   pure subroutine prepare_column(temperature, water, oxygen, nitrogen, thaw, thaw_last_year, bedrock, input, &
                                  climate, exchange, annual_input)
      real(dp), intent(in) :: temperature(n_layers, n_months), water(n_layers, n_months)
      real(dp), intent(in) :: oxygen(n_layers, n_months), nitrogen(n_layers, n_months)
      real(dp), intent(in) :: thaw(n_months), thaw_last_year(n_months)
      integer, intent(in) :: bedrock(n_months)
      real(dp), intent(in) :: input(n_months, 4)
      real(dp), intent(out) :: climate(n_layers, n_months, n_climate)
      real(dp), intent(out) :: exchange(n_layers, n_exchange)
      real(dp), intent(out) :: annual_input(n_input)

      real(dp) :: of_month(n_layers, n_exchange)
      integer :: month

      climate(:, :, i_decades) = (temperature - reference_temperature)/10.0_dp
      climate(:, :, i_water) = water
      climate(:, :, i_oxygen) = oxygen/n_months
      climate(:, :, i_nitrogen) = nitrogen

      exchange = 0.0_dp
      do month = 1, n_months
         call unit_exchange(max(thaw(month), thaw_last_year(month)), bedrock(month), of_month)
         exchange = exchange + of_month/n_months
      end do

      annual_input(i_input_cwd:i_input_l3) = sum(input, dim=1)
      annual_input(i_surface_only) = merge(0.0_dp, 1.0_dp, all(thaw_last_year > 0.0_dp))
   end subroutine prepare_column

end module proda_forcing
